// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
)

// ListFormat is the template for a list: what --format says, or the user's
// configuration under key, or l's own.
func ListFormat(e *Env, c *cli.Context, l formatter.List, key string) string {
	asked := c.String("format")
	if asked == "" && !c.Bool("quiet") && key != "" {
		asked = Config(e, key)
	}
	return l.Format(asked, c.Bool("quiet"))
}

// PrintList prints the rows of a list.
func PrintList[R any](e *Env, l formatter.List, format string, rows []R) error {
	return FormatError(formatter.Write(e.Stdout, l, format, rows))
}

// PrintObject prints one answer through a template.
func PrintObject(e *Env, format string, answer any) error {
	text, err := formatter.Object(format, answer)
	if err != nil {
		return FormatError(err)
	}
	_, err = fmt.Fprintln(e.Stdout, text)
	return err
}

// FormatError gives a mistake in a template its exit code. No engine is to
// blame for it.
func FormatError(err error) error {
	var bad *formatter.Error
	if errors.As(err, &bad) {
		return ExitWith(bad.Code, Errorf("%v", bad))
	}
	return err
}

// Size is 7.83MB.
func Size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }
