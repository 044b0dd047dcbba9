import t from 'tap'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { signCertificate } from '../../webhook/x509.ts'

t.test('dates from 2050 on are written in the other form that RFC 5280 asks for', async t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = signCertificate(
    {
      subject: 'a',
      issuer: 'b',
      notBefore: new Date('2049-12-31T23:59:59Z'),
      notAfter: new Date('2050-01-01T00:00:00Z'),
      use: 'ca',
      publicKey,
    },
    privateKey,
  )
  const { validFrom, validTo, subject, issuer, raw } = new X509Certificate(pem)
  t.same(
    { validFrom, validTo, subject, issuer },
    {
      validFrom: 'Dec 31 23:59:59 2049 GMT',
      validTo: 'Jan  1 00:00:00 2050 GMT',
      subject: 'CN=a',
      issuer: 'CN=b',
    },
  )
  t.ok(raw.includes('\x17\x0d491231235959Z', 0, 'latin1'))
  t.ok(raw.includes('\x18\x0f20500101000000Z', 0, 'latin1'))
})

t.test('many names make lengths of two bytes', async t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [notBefore, notAfter] = [new Date(0), new Date(1e12)]
  for (const count of [1, 4, 5, 9, 10, 40]) {
    const dnsNames = Array.from({ length: count }, (_, index) => `${index}.example-of-a-service.svc`)
    const certificate = { subject: 'a', issuer: 'b', notBefore, notAfter, use: { dnsNames }, publicKey }
    const { subjectAltName } = new X509Certificate(signCertificate(certificate, privateKey))
    t.equal(subjectAltName, dnsNames.map(name => `DNS:${name}`).join(', '))
  }
})
