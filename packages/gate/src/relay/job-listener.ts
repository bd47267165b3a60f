// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type Socket } from 'node:net'
import { formatPlace } from '../steps/door-meter.ts'
import type { OpenSteps, Step } from '../steps/open-steps.ts'
import { type ConnectionServices, type Destination, JobConnection } from './connection.ts'
import { resetSocket } from './relay-bytes.ts'

export interface JobListenerOptions {
  readonly services: ConnectionServices
  readonly steps: OpenSteps
  /** Of an accepted connection; tests, which have no namespaces, give their own. */
  readonly sourceOf?: (socket: Socket) => string
  readonly destinationOf?: (socket: Socket) => Destination
  /** A defect of ours: the gate cannot go on. */
  readonly onDefect: (error: unknown) => void
}

/** What a full machine, or a peer that is gone already, makes of an accept; the next one may succeed. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ECONNABORTED', 'EPROTO', 'EPERM', 'ECONNRESET'])

/** Takes every TCP connection of the job. */
export class JobListener {
  readonly server: Server
  readonly #options: JobListenerOptions
  #open = 0

  constructor(options: JobListenerOptions) {
    this.#options = options
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    this.server.on('error', (error: NodeJS.ErrnoException) => {
      if (!PASSING.has(error.code ?? '')) options.onDefect(error)
    })
  }

  /** Connections that are served at the moment. */
  get open(): number {
    return this.#open
  }

  #accept(socket: Socket): void {
    // A connection that breaks ends; whoever serves it sees `close`.
    socket.on('error', () => undefined)
    const { services, steps, sourceOf = remoteAddressOf, destinationOf = localEndOf, onDefect } = this.#options
    const step = steps.of(sourceOf(socket))
    // Of no step whose doors are open, such as what was queued when they shut.
    if (step === null) return resetSocket(socket)
    const destination = destinationOf(socket)
    if (this.#open >= services.config.limits.connections) return this.#refuse(socket, step, destination)
    this.#open += 1
    const closed = (): void => {
      this.#open -= 1
    }
    new JobConnection(services, step, socket).serve(destination).then(closed, onDefect)
  }

  #refuse(socket: Socket, step: Step, { address, port }: Destination): void {
    const { services } = this.#options
    const max = services.config.limits.connections
    const host = services.names.nameOf(step.doors.step, address) ?? address
    const reason = `the job has ${max} connections open, which is all that it may have at a time`
    step.report.refused({ code: 'connections', target: formatPlace(host, port), reason, rule: null, remedy: null })
    step.report.alert('connection-flood', reason, null)
    resetSocket(socket)
  }
}

function remoteAddressOf(socket: Socket): string {
  return socket.remoteAddress ?? ''
}

/** What is accepted by a transparent socket keeps the destination that was meant as its own address. */
function localEndOf(socket: Socket): Destination {
  return { address: socket.localAddress ?? '', port: socket.localPort ?? 0 }
}
