// SPDX-License-Identifier: Apache-2.0

package parse

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// MaxSize bounds a Dockerfile, in bytes.
const MaxSize = 16 << 20

// maxInstructions bounds what has to be planned: each instruction may become a
// step. An image cannot have a hundredth of it in layers.
const maxInstructions = 20000

// File is a Dockerfile that has been parsed.
type File struct {
	Name   string // as it is shown
	Escape rune   // of the directive: \ or `
	Stages []instructions.Stage
	Meta   []instructions.ArgCommand // the ARGs before the first FROM

	source []byte
}

// Parse parses a Dockerfile. Its errors are BuildKit's, with the place.
func Parse(name string, source []byte) (*File, error) {
	f := &File{Name: name, source: source}
	if len(source) > MaxSize {
		return f, fmt.Errorf("dockerfile parse error: larger than %d bytes", MaxSize)
	}
	res, err := parser.Parse(bytes.NewReader(source))
	if err != nil {
		return f, fmt.Errorf("dockerfile parse error: %w", err)
	}
	if n := len(res.AST.Children); n > maxInstructions {
		return f, fmt.Errorf("dockerfile parse error: %d instructions are more than %d", n, maxInstructions)
	}
	f.Escape = res.EscapeToken
	if f.Stages, f.Meta, err = instructions.Parse(res.AST, nil); err != nil {
		return f, placed(err)
	}
	if len(f.Stages) == 0 {
		return f, errors.New("dockerfile contains no stages to build")
	}
	return f, nil
}

// Trigger parses an ONBUILD instruction of a base image.
func Trigger(text string) (instructions.Command, error) {
	res, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: %w", text, err)
	}
	if len(res.AST.Children) != 1 {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: want one instruction", text)
	}
	cmd, err := instructions.ParseCommand(res.AST.Children[0])
	if err != nil {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: %w", text, err)
	}
	return cmd, nil
}

// changeCommands are the instructions that --change takes, as in Docker.
var changeCommands = []string{
	"cmd", "entrypoint", "env", "expose", "healthcheck", "label", "onbuild", "stopsignal", "user", "volume", "workdir",
}

// Changes parses instructions that only change the configuration, those of
// commit and import --change, and says which character escapes in them. The
// texts of its errors are Docker's.
func Changes(list []string) (cmds []instructions.Command, escape rune, err error) {
	res, err := parser.Parse(strings.NewReader(strings.Join(list, "\n")))
	if err != nil {
		return nil, 0, err
	}
	for _, n := range res.AST.Children {
		if !slices.Contains(changeCommands, strings.ToLower(n.Value)) {
			return nil, 0, fmt.Errorf("%s is not a valid change command", n.Value)
		}
	}
	for _, n := range res.AST.Children {
		cmd, err := instructions.ParseCommand(n)
		if err != nil {
			return nil, 0, err
		}
		cmds = append(cmds, cmd)
	}
	return cmds, res.EscapeToken, nil
}
