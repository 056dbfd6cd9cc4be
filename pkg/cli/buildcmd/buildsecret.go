// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/cli/command"
	"coracle/pkg/dockerfile"
)

// parseSecrets reads id=ID,src=FILE and id=ID,env=NAME; without either, ID is
// the name of a variable or a file.
func parseSecrets(list []string) ([]dockerfile.Secret, error) {
	var secrets []dockerfile.Secret
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
		secret.ID = f["id"]
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func newSecret(f map[string]string) (s dockerfile.Secret, err error) {
	kind, env, src := f["type"], f["env"], f["src"]
	if kind != "" && kind != "file" && kind != "env" {
		return s, command.Errorf("unsupported secret type %q", kind)
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
		s.Value = []byte(os.Getenv(env))
		return s, nil
	}
	info, err := os.Stat(src)
	if err != nil {
		return s, command.Errorf("failed to stat %s: %v", src, errors.Unwrap(err))
	}
	if info.IsDir() || info.Size() > dockerfile.MaxSecret {
		return s, command.Errorf("secret %s: not a file of at most 500 KB", src)
	}
	if isDescriptor(src) { // a number of this process, to no other
		s.File, err = os.Open(src)
		return s, err
	}
	s.Path, err = filepath.Abs(src)
	return s, err
}
