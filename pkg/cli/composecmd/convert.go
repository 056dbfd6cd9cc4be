// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose/kube"
	"coracle/pkg/compose/load"
)

// convert writes the project for another system: what could not be carried over is
// said on standard error, and stands in the file.
func (s *session) convert(ctx context.Context, o load.Options) error {
	if to := s.c.String("to"); to != "kubernetes" {
		return command.Errorf("--to %s: there is kubernetes", to)
	}
	for _, f := range s.c.Command.Flags {
		if name := flags.Names(f)[0]; name != "to" && name != "output" && name != "quiet" && s.c.IsSet(name) {
			return command.Errorf("--%s is not supported with --to", name)
		}
	}
	p, err := load.Project(ctx, o)
	if err != nil {
		return err
	}
	names := s.c.Args().Slice()
	own, err := p.WithServicesEnabled(names...)
	if err == nil {
		own, err = own.WithSelectedServices(names)
	}
	if err != nil {
		return err
	}
	if p, err = load.Select(p, names, false); err != nil {
		return err
	}
	r, err := kube.Project(p, kube.Options{
		ReadFile: readRegular,
		Own:      func(service string) types.MappingWithEquals { return own.Services[service].Environment },
	})
	if err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintln(s.Stderr, n)
	}
	if s.c.Bool("quiet") {
		return nil
	}
	var text bytes.Buffer
	err = r.Write(&text, fmt.Sprintf("Project %s, by %s compose convert --to kubernetes", p.Name, s.Program))
	return s.output(text.Bytes(), err)
}

// readRegular reads a regular file that is not longer than limit. The mode is that of
// whatever there is, but no regular one's where the file was not read.
func readRegular(path string, limit int64) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, info.Mode() | fs.ModeIrregular, nil
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, info.Mode(), err
}
