// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"strconv"
)

// Call is one command line.
type Call struct {
	Argv0 string   // the name the program was called by
	Args  []string // what follows
	// Umask is the caller's: for files that the user names. Everything else is
	// made as if it were 022.
	Umask int
}

// Words are the call as the arguments of a stage; ParseCall reads them.
func (c Call) words() []string {
	return append([]string{strconv.FormatInt(int64(c.Umask), 8), c.Argv0}, c.Args...)
}

// ParseCall reads what a stage was given.
func ParseCall(words []string) (Call, error) {
	if len(words) < 2 {
		return Call{}, errors.New("enter: no command line")
	}
	umask, err := strconv.ParseUint(words[0], 8, 9)
	if err != nil {
		return Call{}, fmt.Errorf("enter: umask: %w", err)
	}
	return Call{Argv0: words[1], Args: words[2:], Umask: int(umask)}, nil
}
