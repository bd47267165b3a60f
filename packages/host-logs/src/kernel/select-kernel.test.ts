// SPDX-License-Identifier: Apache-2.0
// Lines of /dev/kmsg as Linux 6.18 wrote them; where a comment says so, as the kernel's sources print them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseKmsgRecord } from './kmsg-record.ts'
import { type KernelFacts, selectKernel } from './select-kernel.ts'

function select(line: string): KernelFacts | null {
  const record = parseKmsgRecord(line)
  assert.ok(record)
  return selectKernel(record.message, record.severity)
}

const NOBODY = { pid: null, uid: null, cgroup: null }
const OOM =
  '6,36662,12364618861,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=slot0-exec-c4aae7e9,mems_allowed=0,oom_memcg=/sallyport/slot0-exec-c4aae7e9,task_memcg=/sallyport/slot0-exec-c4aae7e9/step-5,task=bash,pid=28369,uid=1879048192\n'
const CGROUP = '/sallyport/slot0-exec-c4aae7e9/step-5'

describe('what the kernel says of a process', () => {
  const cases: readonly (readonly [string, KernelFacts])[] = [
    [OOM, { class: 'oom', pid: 28369, uid: 1879048192, cgroup: CGROUP }],
    [
      '3,36663,12364618874,-;Memory cgroup out of memory: Killed process 28369 (bash) total-vm:67732kB, anon-rss:64000kB, file-rss:2764kB, shmem-rss:0kB, UID:1879048192 pgtables:180kB oom_score_adj:500\n',
      { class: 'oom', pid: 28369, uid: 1879048192, cgroup: null },
    ],
    [
      '6,37029,12479088590,-;segv[5751]: segfault at 0 ip 000000000040161e sp 00007ffcab291840 error 6 in segv[161e,401000+78000] likely on CPU 0 (core 0, socket 0)\n',
      { class: 'fault', ...NOBODY, pid: 5751 },
    ],
    [
      '6,37033,12479090599,-;traps: ud2[5753] trap invalid opcode ip:401619 sp:7ffdfe13fe30 error:0 in ud2[1619,401000+78000]\n',
      { class: 'fault', ...NOBODY, pid: 5753 },
    ],
    [
      '6,37034,12479099226,-;traps: gp[5754] general protection fault ip:401619 sp:7ffe9b13f1e0 error:0 in gp[1619,401000+78000]\n',
      { class: 'fault', ...NOBODY, pid: 5754 },
    ],
    [
      '6,37035,12479103861,-;traps: int3[5755] trap int3 ip:40161a sp:7ffcbc64e760 error:0 in int3[161a,401000+78000]\n',
      { class: 'fault', ...NOBODY, pid: 5755 },
    ],
    [
      '5,37006,12445917680,-;audit: type=1326 audit(1795975691.207:10672): auid=4294967295 uid=1879048192 gid=1879048192 ses=4294967295 pid=4096 comm="helper" exe="/run/sallyport/helper" sig=31 arch=40000003 syscall=310 compat=1 ip=0x401b72 code=0x80000000\n',
      { class: 'seccomp', pid: 4096, uid: 1879048192, cgroup: null },
    ],
  ]
  for (const [line, facts] of cases) test(line.slice(0, 70), () => assert.deepEqual(select(line), facts))
})

describe('a process that chooses its name chooses no other fact', () => {
  test('a segfault of a process that is called like one', () => {
    const line =
      '6,37029,12479088590,-;x[1]: segfault [5751]: segfault at 0 ip 000000000040161e sp 00007ffcab291840 error 6 in x[1]: segfault [161e,401000+78000] likely on CPU 0 (core 0, socket 0)\n'
    assert.deepEqual(select(line), { class: 'fault', ...NOBODY, pid: 5751 })
  })
  test('a name with a line break, as the kernel writes it', () => {
    const line =
      '6,37031,12479089513,-;a\\x0ab[5752]: segfault at 0 ip 000000000040161e sp 00007fff01bfcb70 error 6 in a\\x0ab[161e,401000+78000] likely on CPU 0 (core 0, socket 0)\n'
    assert.deepEqual(select(line), { class: 'fault', ...NOBODY, pid: 5752 })
  })
  for (const name of [',task_memcg=/x', ',pid=1,uid=0', ',oom_memcg=/y', ' UID:0 pgtables', ',task=a,pid=3'])
    test(`one that is killed for its memory: ${name}`, () => {
      assert.deepEqual(select(OOM.replace('task=bash', `task=${name}`)), { class: 'oom', pid: 28369, uid: 1879048192, cgroup: CGROUP })
      const killed = `3,1,1,-;Memory cgroup out of memory: Killed process 28369 (${name}) total-vm:67732kB, anon-rss:64000kB, UID:1879048192 pgtables:180kB oom_score_adj:500\n`
      assert.deepEqual(select(killed), { class: 'oom', pid: 28369, uid: 1879048192, cgroup: null })
    })
  test('one that is written in hexadecimal in an audit record, since it has blanks and quotes', () => {
    const line =
      '5,1,1,-;audit: type=1326 audit(1.2:3): auid=1 uid=1879048192 gid=1 ses=1 pid=4096 comm=2220756964E3D302022 exe="/a pid=7 uid=0" sig=31\n'
    assert.deepEqual(select(line), { class: 'seccomp', pid: 4096, uid: 1879048192, cgroup: null })
  })
})

describe('what is about no process', () => {
  const cases: readonly (readonly [string, KernelFacts['class'] | null])[] = [
    ['6,37010,1,-;EXT4-fs (loop0): mounted filesystem 6dbe7bf6-051c-4946-84d9-cbf3bf67490d r/w without journal. Quota mode: none.\n', null],
    ['6,37009,1,-;loop0: detected capacity change from 0 to 20971520\n', null],
    ['4,37011,1,-;[  28371] 1879048192 28371      627      357        0      357         0    40960        0           500 head\n', null],
    ['4,37012,1,-;set_capacity_and_notify: 4 callbacks suppressed\n', null],
    ['4,37013,1,-;kauditd_printk_skb: 12 callbacks suppressed\n', 'suppressed'],
    // As the sources print them, from here on.
    ['4,1,1,-;show_signal_msg: 24 callbacks suppressed\n', 'suppressed'],
    ['2,1,1,-;EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced: 12\n', 'file-system'],
    ['3,1,1,-;Buffer I/O error on dev sda1, logical block 0, async page read\n', 'file-system'],
    ['5,1,1,-;audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open" profile="p" name="/x" pid=12 comm="c"\n', 'access-control'],
    ['5,1,1,-;audit: type=1334 audit(1.2:3): prog-id=12 op=LOAD\n', 'bpf'],
    ['4,1,1,-;evil: loading out-of-tree module taints kernel.\n', 'module'],
    ['4,1,1,-;nf_conntrack: nf_conntrack: table full, dropping packet\n', 'netfilter'],
    ['1,1,1,-;BUG: unable to handle page fault for address: ffffffff\n', 'kernel-bug'],
    ['3,1,1,-;something new went wrong\n', 'error'],
    ['6,1,1,-;device veth0 entered promiscuous mode\n', 'device'],
  ]
  for (const [line, recordClass] of cases)
    test(`${line.slice(0, 60).trim()} is ${recordClass ?? 'not selected'}`, () => assert.equal(select(line)?.class ?? null, recordClass))
})

test('what is no record is none', () => {
  for (const text of ['', ';', 'x,1,2,-;m', '6,-1,2,-;m', '6,1;m', '6,1,2,-', '6,99999999999999999999,2,-;m', '1e3,1.5,2,-;m'])
    assert.equal(parseKmsgRecord(text), null, text)
})
