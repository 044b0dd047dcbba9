// One range of a complete body (RFC 9110 §14). Several are answered with all of it, which is always allowed.

export interface Range {
  from: number
  /** Of the last byte. */
  to: number
}

/** Takes the Range header's value and the length of the body. Undefined: to be ignored, the whole is the answer. */
export function parseRange(value: string, length: number): Range | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(value) ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const suffix = Number(last)
    if (suffix === 0 || length === 0) return 'unsatisfiable'
    return { from: Math.max(0, length - suffix), to: length - 1 }
  }
  const from = Number(first)
  const to = last === '' ? length - 1 : Math.min(Number(last), length - 1)
  if (last !== '' && Number(last) < from) return undefined
  return from < length ? { from, to } : 'unsatisfiable'
}
