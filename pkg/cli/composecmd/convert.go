// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"bytes"
	"context"
	"fmt"

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
		ReadFile: command.ReadRegular,
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
