// SPDX-License-Identifier: Apache-2.0
// Preloaded into every test file, which gets fast-check with the seed of seeded-fast-check.ts; those without property tests do not load it.
import { registerHooks } from 'node:module'

const seeded = new URL('seeded-fast-check.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'fast-check' && context.parentURL !== seeded ? { url: seeded, shortCircuit: true } : next(specifier, context),
})
