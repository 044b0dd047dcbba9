// One object for each value: two worlds are the same one when their parts are, and comparing parts costs nothing.

interface Entry {
  value: object
  number: number
}

const byText = new Map<string, Entry>()
const byObject = new WeakMap<object, Entry>()

/** The first object of that value that was seen. Nobody changes it. */
export function same<T extends object>(value: T): T {
  return entry(value).value as T
}

/** A number that stands for the value. */
export function numberOf(value: object | null | undefined): number {
  return value ? entry(value).number : 0
}

function entry(value: object): Entry {
  let found = byObject.get(value)
  if (found) return found
  const text = JSON.stringify(value)
  found = byText.get(text) ?? { value, number: byText.size + 1 }
  byText.set(text, found)
  byObject.set(value, found)
  return found
}
