// SPDX-License-Identifier: Apache-2.0
// What the network's canaries share.
#ifndef SALLYPORT_CANARY_NETWORK_H
#define SALLYPORT_CANARY_NETWORK_H

// Reserved for documentation (RFC 5737, RFC 3849): were there a way out, nobody would answer.
#define NOBODY "192.0.2.1"
#define NOBODY_6 "2001:db8::1"
#define GATE_ADDRESS_TEXT "198.18.0.1"

// 1 for the errnos of an address that cannot be reached.
int is_unreachable(int error);

// A datagram or a connection that must be refused at once, whatever refuses it.
void check_refused_at_once(const char *what, const char *address, int port, int type);

// canary-network-gate.c: does the gate refuse what no rule allows? Asked at the beginning, so that it can think while other walls are tried.
void ask_gate(int has_own_kernel);
void check_gate_answers(void);

#endif
