// A certificate authority of the test's own and a server certificate by it.

import { generateKeyPairSync } from 'node:crypto'
import { signCertificate } from '../webhook/x509.ts'

/** Everything as PEM, valid for an hour. */
export function createCertificate(dnsName = 'localhost'): { ca: string; cert: string; key: string } {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
  const issued = { ...validity, issuer: 'test' }
  const sign = (certificate: Parameters<typeof signCertificate>[0]) =>
    signCertificate(certificate, authority.privateKey)
  return {
    ca: sign({ ...issued, subject: 'test', use: 'ca', publicKey: authority.publicKey }),
    cert: sign({ ...issued, subject: dnsName, use: { dnsNames: [dnsName] }, publicKey: server.publicKey }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
