// The keys of an interactive demo. Without a terminal there are none.

import type { Shop } from './shop.ts'

export interface Keys {
  /** What the keys do, for people. */
  help: string
}

/** `quit` is called for q and Ctrl-C; a wish that fails is handed to `fail`. */
export function readKeys(shop: Shop, quit: () => void, fail: (error: unknown) => void): Keys {
  const { stdin } = process
  if (!stdin.isTTY) return { help: `no terminal, so no keys; stop it with: kill ${process.pid}` }
  const wishes: Record<string, () => Promise<void>> = {
    r: shop.rollOut,
    x: shop.rollOutMissing,
    b: shop.rollBack,
    p: shop.pushAgain,
    s: shop.scale,
  }
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.on('data', (key: string) => {
    if (key === 'q' || key === '\u0003') return quit() // in raw mode Ctrl-C is a key like others
    wishes[key]?.().catch(fail)
  })
  return {
    help: 'keys: r roll out the next version, x one whose image is missing, b roll back, p push the tag again and restart, s scale 2↔3, q quit',
  }
}
