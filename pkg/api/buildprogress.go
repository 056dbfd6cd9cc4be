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

// buildProgress tells of a build; a quiet one of its result alone, or of all that led to
// its failure.
type buildProgress struct {
	progress
	quiet bool
	begun bool // the Dockerfile is one
	steps buildSteps
	kept  []byte // of a quiet build: what the steps said, the last of it
}

// tell sends what the steps say, or keeps it, as much as of a step that waits.
func (p *buildProgress) tell(text string) {
	if !p.quiet {
		p.say(message{Stream: text})
		return
	}
	p.kept = append(p.kept, text...)
	p.kept = p.kept[max(len(p.kept)-maxWaiting, 0):]
}

// event tells of one thing that happens. A Dockerfile that is none has ended the
// build before the first word.
func (p *buildProgress) event(e dockerfile.Event) {
	if strings.HasPrefix(e.Name, "[internal] load build definition") {
		return
	}
	p.begun = true
	if !p.quiet {
		p.begin()
	}
	p.steps.event(e)
}

var failedCommand = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^process "(.*)" did not complete successfully: exit code: (\d+)$`)
})

// fail is the end of a build that failed, as the classic builder says it: that a
// command has failed, with the code that the client ends with.
func (p *buildProgress) fail(err error) error {
	p.steps.fail()
	if p.begun {
		p.begin()
	}
	if len(p.kept) > 0 {
		p.say(message{Stream: string(p.kept)})
	}
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
