// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
)

// listFormat is the template for a list: what --format says, or the user's
// configuration under key, or l's own.
func listFormat(e *env, c *cli.Context, l formatter.List, key string) string {
	asked := c.String("format")
	if asked == "" && !c.Bool("quiet") && key != "" {
		asked = config(e, key)
	}
	return l.Format(asked, c.Bool("quiet"))
}

// printList prints the rows of a list.
func printList[R any](e *env, l formatter.List, format string, rows []R) error {
	return formatError(formatter.Write(e.stdout, l, format, rows))
}

// printObject prints one answer through a template.
func printObject(e *env, format string, answer any) error {
	text, err := formatter.Object(format, answer)
	if err != nil {
		return formatError(err)
	}
	_, err = fmt.Fprintln(e.stdout, text)
	return err
}

// formatError gives a mistake in a template its exit code. No engine is to
// blame for it.
func formatError(err error) error {
	var bad *formatter.Error
	if errors.As(err, &bad) {
		return exitWith(bad.Code, cliErrorf("%v", bad))
	}
	return err
}

// size is 7.83MB.
func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }
