// SPDX-License-Identifier: Apache-2.0

//go:build tools

// The witnesses that are built beside: go.mod and go.sum pin what they consist of.
package main

import (
	_ "filippo.io/torchwood/cmd/litewitness"
	_ "github.com/transparency-dev/witness/cmd/omniwitness"
)
