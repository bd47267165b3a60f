// SPDX-License-Identifier: Apache-2.0
// Numbers of the DNS wire form: RFC 1035 section 4, RFC 6891 (EDNS), RFC 8914 (extended errors).

export const HEADER_BYTES = 12
/** RFC 1035 2.3.4: labels and names in wire form, with length octets. */
export const LABEL_BYTES_MAX = 63
export const NAME_BYTES_MAX = 255

export const FLAG = {
  response: 0x8000,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
} as const

export const RECORD = { a: 1, cname: 5, soa: 6, ptr: 12, aaaa: 28, opt: 41 } as const

export const CLASS_IN = 1

/** 16 (BADVERS) needs the upper bits, which travel in the OPT record. */
export const RCODE = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5, badVersion: 16 } as const

/** Extended DNS errors: the answerer's policy; the asker's lack of permission. */
export const EXTENDED_ERROR = { blocked: 15, prohibited: 18 } as const
