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
	steps buildSteps
}

// event tells of one thing that happens. A Dockerfile that is none has ended the
// build before the first word.
func (p *buildProgress) event(e dockerfile.Event) {
	if p.quiet || strings.HasPrefix(e.Name, "[internal] load build definition") {
		return
	}
	p.begin()
	p.steps.event(e)
}

var failedCommand = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^process "(.*)" did not complete successfully: exit code: (\d+)$`)
})

// fail is the end of a build that failed, as the classic builder says it: that a
// command has failed, with the code that the client ends with.
func (p *buildProgress) fail(err error) error {
	p.steps.fail()
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
