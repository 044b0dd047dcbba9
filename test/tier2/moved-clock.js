// Loaded into a process before everything else: moves its clock on the wall by the milliseconds that stand in a file, read again as it goes.

import { readFileSync } from 'node:fs'

const RealDate = Date
let aheadMs = read()
setInterval(() => (aheadMs = read()), 50).unref()

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length > 0) super(...args)
    else super(RealDate.now() + aheadMs)
  }

  static now() {
    return RealDate.now() + aheadMs
  }
}

function read() {
  return Number(readFileSync(process.env.SPA_TEST_CLOCK, 'utf8'))
}
