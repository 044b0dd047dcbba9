#!/bin/sh
# The init container of capture `redirect`. It ends well in any case: where the node's kernel has no nftables the pod starts all the same, its
# traffic goes to the app, and the sidecar says so.

if nft --define "app=$SPA_APP_PORT" --define "front=$SPA_FRONT_PORT" --file "${0%/*}/rules.nft"; then
  echo "what comes for port $SPA_APP_PORT is led to $SPA_FRONT_PORT while the sidecar is heard"
else
  echo 'no redirect: the traffic goes to the app, past the sidecar'
fi
