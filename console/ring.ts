// The last events, each with its number, so that a reader who was away for a moment goes on where he was. Ids are `<boot>-<number>`: those of
// another run of the process, or of before a pause in which nobody read, are not known any more.

export interface Ring {
  /** Takes the data of one event; returns its frame. */
  add(data: string): string
  /** Of the newest event. */
  lastId(): string
  /** The frames after the one of this id; undefined where not all of them are kept. */
  after(id: string): string[] | undefined
  /** Nothing of before can be resumed. */
  restart(): void
}

/** `newBoot` makes a word without a hyphen that was never used before. */
export function createRing(size: number, newBoot: () => string): Ring {
  let boot = newBoot()
  let last = 0
  let frames: string[] = []
  return { add, lastId: () => idOf(last), after, restart }

  function idOf(number: number): string {
    return `${boot}-${number}`
  }

  function add(data: string): string {
    last += 1
    const frame = formatFrame(data, idOf(last))
    frames.push(frame)
    if (frames.length >= 2 * size) frames = frames.slice(-size) // seldom, instead of a shift each time
    return frame
  }

  function after(id: string): string[] | undefined {
    const [, then, number] = /^([^-]+)-(\d{1,15})$/.exec(id) ?? []
    const missed = last - Number(number)
    if (then !== boot || missed < 0 || missed > frames.length) return undefined
    return missed === 0 ? [] : frames.slice(-missed)
  }

  function restart(): void {
    boot = newBoot()
    last = 0
    frames = []
  }
}

/** One event in the format of WHATWG HTML §9.2. An empty `id` makes the browser forget the last one. JSON has no line breaks. */
export function formatFrame(data: string, id?: string): string {
  return id === undefined ? `data: ${data}\n\n` : `id: ${id}\ndata: ${data}\n\n`
}
