// `npm run manifests`: writes manifests/ anew from the chart. Needs helm, which .ci/helm builds.

import { writeManifests } from './render.ts'

await writeManifests()
