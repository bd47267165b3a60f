// SPDX-License-Identifier: Apache-2.0

/** The part of each form that no neighbouring byte can change, by the attempt that prints it. */
export function secretForms(secret: string): Readonly<Record<string, string>> {
  const bytes = Buffer.from(secret)
  return {
    'print-secret-raw': secret,
    'print-secret-base64': bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64'),
    'print-secret-base64-shifted': shifted(bytes),
    'print-secret-hex': bytes.toString('hex'),
    'print-secret-url': [...bytes].map(percent).join(''),
    'print-secret-json': JSON.stringify(secret).slice(1, -1),
  }
}

/** Behind one byte: the first two letters hold bits of that byte, and the last group may be padded. */
function shifted(bytes: Buffer): string {
  const behind = Buffer.concat([Buffer.from('x'), bytes])
  return behind
    .subarray(0, behind.length - (behind.length % 3))
    .toString('base64')
    .slice(2)
}

function percent(byte: number): string {
  const letter = String.fromCharCode(byte)
  return /[A-Za-z0-9_.~-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
