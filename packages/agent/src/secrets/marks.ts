// SPDX-License-Identifier: Apache-2.0
// The engine works out environments and scripts before anybody has read a secret: it is given a mark for each, random and new in each run, which the
// supervisor replaces when the step starts. No mark ever enters a sandbox.
import { randomBytes } from 'node:crypto'
import type { StepProcess } from '@sallyport/engine'

export type Process = Pick<StepProcess, 'argv' | 'env' | 'script'>

export class Marks {
  readonly #byName: ReadonlyMap<string, string>

  constructor(names: Iterable<string>) {
    this.#byName = new Map(Array.from(names, (name) => [name, randomBytes(24).toString('hex')]))
  }

  /** By name. */
  get values(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#byName)
  }

  /** The names whose marks stand anywhere in it. */
  namesIn(process: Process): readonly string[] {
    const texts = textsOf(process)
    return [...this.#byName].filter(([, mark]) => texts.some((text) => text.includes(mark))).map(([name]) => name)
  }

  /** `texts`: what stands for each name; a name that has none stands for nothing, as a secret that is not there. */
  replace({ argv, env, script }: Process, texts: ReadonlyMap<string, string>): Process {
    const inText = (text: string): string => {
      let replaced = text
      for (const [name, mark] of this.#byName) replaced = replaced.replaceAll(mark, () => texts.get(name) ?? '')
      return replaced
    }
    return {
      argv: argv.map(inText),
      env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, inText(value)])),
      script: script === null ? null : { ...script, content: inText(script.content) },
    }
  }
}

function textsOf({ argv, env, script }: Process): readonly string[] {
  return [...argv, ...Object.values(env), ...(script === null ? [] : [script.content])]
}
