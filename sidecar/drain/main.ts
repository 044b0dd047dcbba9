// The program that our container's preStop runs: begins draining and lasts until the sidecar lets it return.
// Meanwhile the kubelet holds SIGTERM back. It fails when there is no sidecar to drain, and the pod's events say so.

import { connect } from 'node:net'
import { join } from 'node:path'
import { reason } from '../../protocol/log.ts'
import { file } from '../../protocol/names.ts'
import { readRunDir } from '../config.ts'

connect(join(readRunDir(process.env), file.drainSocket))
  .on('error', error => {
    process.stderr.write(`cannot begin draining: ${reason(error)}\n`)
    process.exitCode = 1
  })
  .resume()
