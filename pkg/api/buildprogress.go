// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"coracle/pkg/dockerfile"
)

// buildProgress tells of a build.
type buildProgress struct {
	progress
	quiet bool
	steps map[int]bool // those that have been named; of events, which come one at a time
}

// event tells of one thing that happens. A Dockerfile that is none has ended the
// build before the first word.
func (p *buildProgress) event(e dockerfile.Event) {
	if p.quiet || strings.HasPrefix(e.Name, "[internal] load build definition") {
		return
	}
	p.begin()
	number, text, ok := stepOf(e.Name)
	if !ok {
		return
	}
	if (e.Kind == dockerfile.Started || e.Kind == dockerfile.Cached) && !p.steps[e.Step] {
		p.steps[e.Step] = true
		p.say(message{Stream: "Step " + number + " : " + text + "\n"})
	}
	switch {
	case e.Kind == dockerfile.Cached && !strings.HasPrefix(text, "FROM "):
		p.say(message{Stream: " ---> Using cache\n"})
	case e.Kind == dockerfile.Output:
		p.say(message{Stream: string(e.Data)})
	}
}

// stepOf takes "[build 2/4] RUN make" apart.
func stepOf(name string) (number, text string, ok bool) {
	label, text, ok := strings.Cut(strings.TrimPrefix(name, "["), "] ")
	number = label[strings.LastIndexByte(label, ' ')+1:]
	return number, text, ok && strings.HasPrefix(name, "[") && strings.Contains(number, "/")
}

var failedCommand = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^process "(.*)" did not complete successfully: exit code: (\d+)$`)
})

// fail is the end of a build that failed, as the classic builder says it: that a
// command has failed, with the code that the client ends with.
func (p *buildProgress) fail(err error) error {
	var bad *dockerfile.Error
	if errors.As(err, &bad) {
		if m := failedCommand().FindStringSubmatch(bad.Text); m != nil {
			code, _ := strconv.Atoi(m[2])
			text := fmt.Sprintf("The command '%s' returned a non-zero code: %d", m[1], code)
			p.say(message{ErrorDetail: &failed{Code: code, Message: text}, Error: text})
			return nil
		}
	}
	return p.end(err)
}
