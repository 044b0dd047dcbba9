// How many tabs show which page version, as their `?v=<Deployment>-<hash>` says. Anybody can send anything there,
// so what is counted by name is bounded: everything else is `other`.

const isPage = /^[a-z0-9][-a-z0-9.]{0,251}-[a-z0-9]{1,16}$/

export interface Pages {
  /** Takes the query's value; returns the slot under which this tab is counted: a small number, kept per tab. */
  enter(version: string | undefined): number
  leave(slot: number): void
  /** Versions and their tabs, those that nobody shows left out. */
  counts(): [version: string, tabs: number][]
}

export function createPages(maxVersions = 64): Pages {
  const slots = [
    { version: 'none', tabs: 0 },
    { version: 'other', tabs: 0 },
  ]
  const named = new Map<string, number>()
  const free: number[] = []
  return { enter, leave, counts }

  function enter(version: string | undefined): number {
    const slot = version ? slotOf(version) : 0
    slots[slot]!.tabs++
    return slot
  }

  function slotOf(version: string): number {
    const known = named.get(version)
    if (known !== undefined) return known
    if (named.size >= maxVersions || !isPage.test(version)) return 1
    const slot = free.pop() ?? slots.length
    slots[slot] = { version, tabs: 0 }
    named.set(version, slot)
    return slot
  }

  function leave(slot: number): void {
    const page = slots[slot]!
    page.tabs--
    if (page.tabs > 0 || slot < 2) return
    named.delete(page.version)
    free.push(slot)
  }

  function counts(): [string, number][] {
    return slots.filter(({ tabs }) => tabs > 0).map(({ version, tabs }) => [version, tabs])
  }
}
