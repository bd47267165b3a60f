// SPDX-License-Identifier: Apache-2.0

/** What every sandbox has below /etc, whatever its image has there, by path. */
export function generatedFiles(resolver: string | null): Readonly<Record<'etc/hosts' | 'etc/hostname' | 'etc/resolv.conf', string>> {
  return {
    // With the machine's own name, which git and others look up: not there, it would be a question to the gate, and a refusal in the record.
    'etc/hosts': '127.0.0.1\tlocalhost\n127.0.1.1\tsallyport\n::1\tlocalhost ip6-localhost ip6-loopback\n',
    'etc/hostname': 'sallyport\n',
    // The gate answers at once, or is about to ask a real name server: longer than the C library's own second, and not for ever.
    'etc/resolv.conf': resolver === null ? '' : `nameserver ${resolver}\noptions ndots:1 timeout:3 attempts:2\n`,
  }
}

/** apt-get cannot switch to its own user for downloads without a capability that jobs do not have. */
export const APT_FILE = { path: 'etc/apt/apt.conf.d/99sallyport', text: 'APT::Sandbox::User "root";\n' } as const

/** Hosts of a desktop or of systemd ask services of theirs for names (mdns, resolve, libvirt) that no sandbox has. */
export function withPlainHosts(nsswitch: string): string {
  const others = nsswitch.split('\n').filter((line) => line !== '' && !/^\s*hosts:/.test(line))
  return [...others, 'hosts: files dns', ''].join('\n')
}
