// SPDX-License-Identifier: Apache-2.0
// What an ordinary user's jobs are refused, where a weaker kind of it would be something else than was asked for.
import { quote } from '@sallyport/core'
import { readOuterNamespace } from '@sallyport/linux'
import { SandboxError } from '../sandbox-error.ts'

const WITH_ROOT = 'Run Sallyport with sudo; the job itself never gets root of this host'

/** The host's root alone may show files of an image with the job's ids (idmapped mounts). */
export function imageNeedsRoot(description: string): SandboxError {
  return needsRoot('image-owners', {
    why: `the files of the image ${quote(description)} cannot be shown with the ids of a job`,
    instead: 'leave the image out: image: host',
  })
}

/** Before anything is brought here for a job that could not run in it. @throws SandboxError SANDBOX_UNSUPPORTED */
export function assertImagesHold(description: string): void {
  if (readOuterNamespace() !== null) throw imageNeedsRoot(description)
}

export function gvisorNeedsRoot(): SandboxError {
  return needsRoot('own-kernel', { why: 'in this release gVisor is started by root alone', instead: 'use --isolation oci' })
}

/** Marks on a whole file system, and file handles of an overlay, are the host's root's (fanotify_mark(2), open_by_handle_at(2)). */
export function sourceNeedsRoot(): SandboxError {
  return needsRoot('source-read-only', {
    why: 'the kernel lets nobody else watch who changes a file',
    instead: 'leave source: read-only out',
  })
}

function needsRoot(guarantee: string, { why, instead }: { readonly why: string; readonly instead: string }): SandboxError {
  return new SandboxError('SANDBOX_UNSUPPORTED', `The guarantee "${guarantee}" does not hold without root: ${why}`, {
    hint: `${WITH_ROOT}. Or ${instead}`,
    details: { guarantees: [guarantee] },
  })
}
