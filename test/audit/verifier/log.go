// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// hashStore keeps the hashes of a tree in x/mod's order: in memory, 64 bytes an entry.
type hashStore []tlog.Hash

func (s hashStore) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

// verifyLog hashes every entry again and compares what comes of it with every tile and with the signed root. It does not
// use x/mod's TileHashReader, which in this version hands out some tiles without having checked them.
func verifyLog(keys trust, dir string) error {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := keys.open(signed)
	if err != nil {
		return err
	}
	hashes, err := hashEntries(dir, tree.N)
	if err != nil {
		return err
	}
	for _, tile := range tlog.NewTiles(tileHeight, 0, tree.N) {
		if err := verifyTile(dir, tile, hashes); err != nil {
			return err
		}
	}
	if err := verifyRoot(tree, hashes); err != nil {
		return err
	}
	fmt.Printf("ok: %d entries, root %v, %d witnesses\n", tree.N, tree.Hash, len(keys.witnesses))
	return nil
}

func hashEntries(dir string, size int64) (hashStore, error) {
	var hashes hashStore
	for first := int64(0); first < size; first += tileWidth {
		entries, err := readBundle(dir, first/tileWidth, int(min64(tileWidth, size-first)))
		if err != nil {
			return nil, err
		}
		for i, entry := range entries {
			more, err := tlog.StoredHashes(first+int64(i), entry, hashes)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, more...)
		}
	}
	return hashes, nil
}

func verifyTile(dir string, tile tlog.Tile, hashes hashStore) error {
	path := "tile" + strings.TrimPrefix(tile.Path(), "tile/8")
	stored, isExact, err := readResource(dir, path)
	if err != nil {
		return err
	}
	computed, err := tlog.ReadTileData(tile, hashes)
	if err != nil {
		return err
	}
	if len(stored) < len(computed) || isExact && len(stored) > len(computed) {
		return fmt.Errorf("%s has the wrong length", path)
	}
	for at := 0; at < tile.W; at++ {
		start, end := at*tlog.HashSize, (at+1)*tlog.HashSize
		if bytes.Equal(stored[start:end], computed[start:end]) {
			continue
		}
		if tile.L == 0 {
			return fmt.Errorf("entry %d is not the one whose hash stands in %s", tile.N*tileWidth+int64(at), path)
		}
		return fmt.Errorf("%s: hash %d is not that of the tile below", path, at)
	}
	return nil
}

func verifyRoot(tree tlog.Tree, hashes hashStore) error {
	// x/mod has no hash for the empty tree
	root := tlog.Hash(sha256.Sum256(nil))
	if tree.N > 0 {
		var err error
		if root, err = tlog.TreeHash(tree.N, hashes); err != nil {
			return err
		}
	}
	if root != tree.Hash {
		return errors.New("the entries do not come to the signed root")
	}
	return nil
}

func readBundle(dir string, index int64, width int) ([][]byte, error) {
	path := bundlePath(index, width)
	data, isExact, err := readResource(dir, path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 && (isExact || len(entries) < width) {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s ends within an entry", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("%s has %d entries", path, len(entries))
	}
	return entries, nil
}

// bundlePath takes the spelling of indexes from x/mod, whose own paths have the height of tiles in them.
func bundlePath(index int64, width int) string {
	tile := tlog.Tile{H: tileHeight, L: 0, N: index, W: width}
	return "tile/entries" + strings.TrimPrefix(tile.Path(), "tile/8/0")
}

// readResource reads a file of the log, or the full one that has taken the place of a partial one.
func readResource(dir, path string) (data []byte, isExact bool, err error) {
	data, err = os.ReadFile(filepath.Join(dir, path))
	partial := strings.Index(path, ".p/")
	if err == nil || partial < 0 || !errors.Is(err, os.ErrNotExist) {
		return data, true, err
	}
	data, err = os.ReadFile(filepath.Join(dir, path[:partial]))
	return data, false, err
}

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
