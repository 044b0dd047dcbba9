// What a server makes of a stream of bytes.

export interface Read {
  requests: { method: string; target: string; body?: string }[]
  /** It has answered 4xx or 5xx by itself, or called a request's body malformed. */
  isRefused: boolean
}

export interface Oracle {
  name: string
  /** Takes streams of bytes; returns what is read of each, in order. */
  read(streams: Buffer[]): Promise<Read[]>
}
