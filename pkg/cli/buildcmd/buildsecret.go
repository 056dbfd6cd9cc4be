// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"coracle/pkg/cli/command"

	"coracle/pkg/dockerfile"
)

// maxSecret is BuildKit's limit.
const maxSecret = 500 << 10

// parseSecrets reads id=ID,src=FILE and id=ID,env=NAME; without either, ID is
// the name of a variable or a file.
func parseSecrets(list []string) (map[string]dockerfile.Secret, error) {
	secrets := map[string]dockerfile.Secret{}
	for _, v := range list {
		f := map[string]string{}
		for _, field := range strings.Split(v, ",") {
			key, val, ok := strings.Cut(field, "=")
			if !ok {
				return nil, command.Errorf("invalid field '%s' must be a key=value pair", field)
			}
			switch key = strings.ToLower(key); key {
			case "source":
				key = "src"
			case "type", "id", "src", "env":
			default:
				return nil, command.Errorf("unexpected key '%s' in '%s'", key, field)
			}
			f[key] = val
		}
		if f["id"] == "" {
			return nil, command.Errorf("missing id in secret %q", v)
		}
		secret, err := newSecret(f)
		if err != nil {
			return nil, err
		}
		secrets[f["id"]] = secret
	}
	return secrets, nil
}

func newSecret(f map[string]string) (dockerfile.Secret, error) {
	kind, env, src := f["type"], f["env"], f["src"]
	if kind != "" && kind != "file" && kind != "env" {
		return nil, command.Errorf("unsupported secret type %q", kind)
	}
	if kind == "env" && env == "" {
		env, src = src, ""
	}
	if env == "" && src == "" && kind != "file" {
		if _, ok := os.LookupEnv(f["id"]); ok {
			env = f["id"]
		}
	}
	if env == "" && src == "" {
		src = f["id"]
	}
	if src == "" {
		value := os.Getenv(env)
		return func(context.Context) ([]byte, error) { return []byte(value), nil }, nil
	}
	info, err := os.Stat(src)
	if err != nil {
		return nil, command.Errorf("failed to stat %s: %v", src, errors.Unwrap(err))
	}
	if info.IsDir() || info.Size() > maxSecret {
		return nil, command.Errorf("secret %s: not a file of at most 500 KB", src)
	}
	return onceSecret(src), nil
}

// onceSecret reads a file when it is asked for, once: it may be a pipe. A pipe
// that nobody writes to is waited for as long as the build is not canceled.
func onceSecret(src string) dockerfile.Secret {
	type result struct {
		value []byte
		err   error
	}
	var once sync.Once
	done := make(chan result, 1)
	return func(ctx context.Context) ([]byte, error) {
		once.Do(func() {
			go func() {
				value, err := readSecret(src)
				done <- result{value, err}
			}()
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case got := <-done:
			done <- got
			return got.value, got.err
		}
	}
}

func readSecret(src string) ([]byte, error) {
	f, err := os.Open(src)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	value, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(value) > maxSecret {
		err = fmt.Errorf("larger than %d bytes", maxSecret)
	}
	return value, err
}
