#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The job of examples/hostile-dependency as a runner without walls does it: all steps as one user in one place, the
# environment files and the old printed commands obeyed, the workspace collected from outside. Runs in a plain box, where
# the fake worker, credentials and services are planted. Stdin is not used; the secret is in PLAIN_SECRET.
set -u
secret=$PLAIN_SECRET
unset PLAIN_SECRET
cp -r /tmp/project /tmp/work/job && cd /tmp/work/job || exit 125
GITHUB_ENV=/tmp/work/env GITHUB_PATH=/tmp/work/path
: > "$GITHUB_ENV"
: > "$GITHUB_PATH"
export GITHUB_ENV GITHUB_PATH

obey_files() {
  while IFS='=' read -r name value; do export "$name=$value"; done < "$GITHUB_ENV"
  while read -r directory; do PATH=$directory:$PATH; done < "$GITHUB_PATH"
  : > "$GITHUB_ENV"
  : > "$GITHUB_PATH"
}

# ::set-env name=NAME::VALUE
obey_commands() {
  sed -n 's/^::set-env name=\([A-Z_]*\)::\(.*\)$/\1=\2/p' "$1" >> "$GITHUB_ENV"
}

step() { # name, command…
  echo "> $1"
  shift
  "$@" > /tmp/work/step.log 2>&1
  echo "exit code $?" >> /tmp/work/step.log
  cat /tmp/work/step.log
  obey_commands /tmp/work/step.log
  obey_files 2> /dev/null
}

step 'Install the dependency' sh ci/install.sh
step 'Configure (printed command)' sh vendor/tidy-columns/hook/configure.sh SET_ENV
step 'Configure (PATH)' sh vendor/tidy-columns/hook/configure.sh PATH
step 'Build the report' sh ci/build.sh
step 'Deploy' env "DEPLOY_TOKEN=$secret" sh ci/deploy.sh
step 'Test' sh ci/test.sh
step 'Test with much data' sh ci/test-large.sh
step 'Configure (NODE_OPTIONS)' sh vendor/tidy-columns/hook/configure.sh NODE_OPTIONS
step 'Configure (LD_PRELOAD)' sh vendor/tidy-columns/hook/configure.sh LD_PRELOAD
step 'What did the dependency leave behind' sh ci/inspect.sh 2> /dev/null
unset LD_PRELOAD NODE_OPTIONS
step 'Announce' env "DEPLOY_TOKEN=$secret" sh ci/announce.sh

echo '> The runner collects the reports'
if timeout 2 cp -L reports/coverage.fifo /tmp/work/collected-coverage; then
  echo 'attempt fifo-trap refused - the collector came to an end'
else
  echo 'attempt fifo-trap got the collector hung on a FIFO'
fi
if cp -L reports/summary.txt /tmp/work/collected-summary && grep -q '^root:' /tmp/work/collected-summary; then
  echo 'attempt symlink-trap got /etc/shadow went into the collected reports through a link'
else
  echo 'attempt symlink-trap refused - the link was not followed'
fi
