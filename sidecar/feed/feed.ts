// How release states come to this pod.

export interface Feed {
  /** Never throws. */
  open(): void
  close(): void
  /** How often it began to fail, or failed in another way. */
  errors(): number
}
