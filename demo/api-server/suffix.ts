// The ends of generated names, in Kubernetes' own alphabet: no vowels and no digits that look like letters,
// so that no words come out (apimachinery, util/rand.SafeEncodeString).

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** One letter for each byte. */
export function encodeSuffix(bytes: Uint8Array): string {
  return Array.from(bytes, byte => alphabet[byte % alphabet.length]).join('')
}
