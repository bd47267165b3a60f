// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// proof is a document of c2sp.org/tlog-proof.
type proof struct {
	extra      []byte
	index      int64
	path       tlog.RecordProof
	checkpoint []byte
}

func verifyProof(keys trust, proofFile, entryFile string) error {
	data, err := os.ReadFile(proofFile)
	if err != nil {
		return err
	}
	p, err := parseProof(data)
	if err != nil {
		return err
	}
	entry := p.extra
	if entryFile != "" {
		if entry, err = os.ReadFile(entryFile); err != nil {
			return err
		}
	}
	tree, err := keys.open(p.checkpoint)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.path, tree.N, tree.Hash, p.index, tlog.RecordHash(entry)); err != nil {
		return fmt.Errorf("the log does not have this entry: %w", err)
	}
	fmt.Printf("ok: entry %d of %d, %d witnesses\n%s\n", p.index, tree.N, len(keys.witnesses), entry)
	return nil
}

func parseProof(data []byte) (proof, error) {
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return proof{}, errors.New("proof: its first line is not c2sp.org/tlog-proof@v1")
	}
	p := proof{checkpoint: checkpoint}
	lines = lines[1:]
	var err error
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if p.extra, err = base64.StdEncoding.DecodeString(lines[0][len("extra "):]); err != nil {
			return proof{}, fmt.Errorf("proof: %w", err)
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return proof{}, errors.New("proof: it has no index")
	}
	if p.index, err = parseDecimal(lines[0][len("index "):]); err != nil {
		return proof{}, fmt.Errorf("proof: %w", err)
	}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return proof{}, fmt.Errorf("proof: %w", err)
		}
		p.path = append(p.path, hash)
	}
	return p, nil
}
