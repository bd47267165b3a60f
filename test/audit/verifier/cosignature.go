// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// cosignatureType is that of timestamped Ed25519 cosignatures (c2sp.org/tlog-cosignature), which x/mod does not know.
const cosignatureType = 4

type cosignatureVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosignatureVerifier(vkey string) (*cosignatureVerifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("it is not NAME+KEYID+KEY")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errors.New("its key id is not eight lower-case digits of hex")
	}
	encoded, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(encoded) != 1+ed25519.PublicKeySize || encoded[0] != cosignatureType {
		return nil, errors.New("it is no Ed25519 key for cosignatures")
	}
	digest := sha256.Sum256([]byte(parts[0] + "\n" + string(encoded)))
	if binary.BigEndian.Uint32(digest[:]) != uint32(hash) {
		return nil, errors.New("its key id is not that of name and key")
	}
	return &cosignatureVerifier{parts[0], uint32(hash), encoded[1:]}, nil
}

func (v *cosignatureVerifier) Name() string    { return v.name }
func (v *cosignatureVerifier) KeyHash() uint32 { return v.hash }

func (v *cosignatureVerifier) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	timestamp := binary.BigEndian.Uint64(signature)
	if timestamp > math.MaxInt64 {
		return false
	}
	header := fmt.Sprintf("cosignature/v1\ntime %d\n", timestamp)
	return ed25519.Verify(v.key, append([]byte(header), text...), signature[8:])
}
