// One object for each value: two worlds are the same one when their parts are, and comparing parts costs nothing.

const values = new Map<string, { value: object; number: number }>()
const numbers = new WeakMap<object, number>()

/** The first object of that value that was seen. Nobody changes it. */
export function same<T extends object>(value: T): T {
  return numbers.has(value) ? value : (entry(value).value as T)
}

/** A number that stands for the value. */
export function numberOf(value: object | null | undefined): number {
  return value ? (numbers.get(value) ?? entry(value).number) : 0
}

function entry(value: object) {
  const text = JSON.stringify(value)
  const known = values.get(text)
  if (known) return known
  const added = { value, number: values.size + 1 }
  values.set(text, added)
  numbers.set(value, added.number)
  return added
}
