/** Of a document to load, in milliseconds. A connection to a pod whose network has just gone hangs for longer. */
export const loadLimitMs = 15_000
