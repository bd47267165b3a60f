// SPDX-License-Identifier: Apache-2.0
// Two projects that need something from the tests' internet (packages.ts): one by npm, one by pip. Their checkouts hold the origins' authority as `ca.pem`.

export const NPM_PROJECT: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'project', version: '1.0.0', dependencies: { 'small-sum': '1.0.0' } }),
  'package-lock.json': JSON.stringify({
    name: 'project',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: {
      '': { name: 'project', version: '1.0.0', dependencies: { 'small-sum': '1.0.0' } },
      'node_modules/small-sum': { version: '1.0.0', resolved: 'https://registry.test/tarballs/small-sum-1.0.0.tgz' },
    },
  }),
  '.npmrc': 'registry=https://registry.test/\ncafile=./ca.pem\n',
  'test.js': "console.log('the sum is', require('small-sum')(2, 3))\n",
}

export const NPM_SCRIPT = 'npm ci --no-audit --no-fund && node test.js'

export const PIP_SCRIPT = `python3 -m pip install -q --break-system-packages --target packages --cert ca.pem --index-url https://pypi.test/simple/ small-sum==1.0
PYTHONPATH=packages python3 -c "import small_sum; print('the sum is', small_sum.add(2, 3))"`
