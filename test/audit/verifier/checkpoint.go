// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// open takes a signed checkpoint apart when everybody in keys has signed it.
func (keys trust) open(signed []byte) (tlog.Tree, error) {
	all := append([]note.Verifier{keys.log}, keys.witnesses...)
	opened, err := note.Open(signed, note.VerifierList(all...))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	for _, verifier := range all {
		if !hasSigned(opened, verifier) {
			return tlog.Tree{}, fmt.Errorf("checkpoint: %s has not signed it", verifier.Name())
		}
	}
	return parseCheckpoint(opened.Text, keys.log.Name())
}

func hasSigned(opened *note.Note, verifier note.Verifier) bool {
	for _, signature := range opened.Sigs {
		if signature.Name == verifier.Name() && signature.Hash == verifier.KeyHash() {
			return true
		}
	}
	return false
}

func parseCheckpoint(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint: it is not one of %s", origin)
	}
	size, err := parseDecimal(lines[1])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: its second line is no size: %w", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	for _, extension := range lines[3:] {
		if extension == "" {
			return tlog.Tree{}, errors.New("checkpoint: it has an empty line")
		}
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// parseDecimal takes the one spelling of a number that is not negative.
func parseDecimal(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (number < 0 || strconv.FormatInt(number, 10) != text) {
		err = fmt.Errorf("%q is not the spelling of a number", text)
	}
	return number, err
}
