// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	logOrigin = "log.example.test/tessera"
	// Tessera takes no shorter interval.
	checkpointInterval = time.Second
)

// growLog makes the log's key the first time, and leaves its public half in "key.pub".
func growLog(ctx context.Context, arguments []string) error {
	signer, err := openKey(arguments[0])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	policy, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(arguments[0], "log")})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(checkpointInterval).
		WithBatching(256, 100*time.Millisecond).
		WithWitnesses(witnesses, nil)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	if err := appendEntries(ctx, appender, reader, count); err != nil {
		return err
	}
	return shutdown(ctx)
}

// appendEntries returns once a checkpoint, with all the witnesses that the policy wants, is published.
func appendEntries(ctx context.Context, appender *tessera.Appender, reader tessera.LogReader, count int) error {
	var futures []tessera.IndexFuture
	for i := range count {
		futures = append(futures, appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d of %d", i, count))))
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 100*time.Millisecond)
	for _, future := range futures {
		if _, _, err := awaiter.Await(ctx, future); err != nil {
			return err
		}
	}
	return nil
}

func openKey(directory string) (note.Signer, error) {
	path := filepath.Join(directory, "key")
	secret, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		secret, err = makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	return note.NewSigner(string(secret))
}

func makeKey(path string) ([]byte, error) {
	secret, public, err := note.GenerateKey(rand.Reader, logOrigin)
	if err != nil {
		return nil, err
	}
	return []byte(secret), errors.Join(os.WriteFile(path+".pub", []byte(public), 0o644), os.WriteFile(path, []byte(secret), 0o600))
}
