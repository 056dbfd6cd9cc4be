// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"coracle/pkg/dockerfile"
)

// buildSteps tells of a build as the builder did that carried out one instruction after
// the other (moby's daemon/builder/dockerfile): all instructions of the stages that are
// built are counted together, and each is told of when those before it are done.
// Stages are built at the same time here, so that what happens early waits for its turn.
//
//	Step 2/3 : RUN make
//	 ---> Running in 3f0c1d…          or    ---> Using cache
//	(what it prints)
//	 ---> Removed intermediate container 3f0c1d…
//	 ---> 5a7be2…
//
// The last ID is the image's, and that of FROM the base's. Those between were images
// there, and containers; here they name the layer, and the work, by digests.
type buildSteps struct {
	say   func(text string)
	list  []*buildStep
	works map[string]*buildWork
	at    int    // the one whose turn it is
	total int    // of those that are counted
	image string // the result, when it is there
}

// buildStep is an instruction.
type buildStep struct {
	text    string
	number  int // 0: of a trigger, which is not counted
	on      int // the number in the list, from 1, of that on whose result it stands
	word    string
	work    *buildWork // nil: it changes the configuration alone
	begun   bool       // it has been named
	running bool       // its work has been named
	over    bool       // the end of that has been told
	id      string     // of the result
}

// buildWork is what an instruction has to do.
type buildWork struct {
	began   string // the work's ID, when it has begun
	output  []byte // that has not been said
	clipped bool
	cached  bool
	done    bool
	failed  bool
	id      string // of the layer, or the image
}

// maxWaiting bounds what a command has written that is not told of yet, in bytes, as
// BuildKit does a step's log.
const maxWaiting = 2 << 20

// event takes one thing that happens.
func (b *buildSteps) event(e dockerfile.Event) {
	if e.Kind == dockerfile.Planned || e.Kind == dockerfile.Trigger {
		b.plan(e)
		return
	}
	w := b.works[e.Name]
	if w == nil { // of what has no instruction
		return
	}
	switch e.Kind {
	case dockerfile.Started:
		w.began = e.ID
	case dockerfile.Output:
		w.write(e.Data)
	case dockerfile.Cached, dockerfile.Done:
		w.cached, w.done, w.id = e.Kind == dockerfile.Cached, true, e.ID
	case dockerfile.Failed:
		w.failed = true
	}
	b.tell()
}

// plan notes an instruction. All are known before the first begins.
func (b *buildSteps) plan(e dockerfile.Event) {
	s := &buildStep{text: e.Text, on: e.Step}
	if words := strings.Fields(e.Text); len(words) > 0 {
		s.word = strings.ToUpper(words[0])
	}
	if e.Kind == dockerfile.Planned {
		b.total++
		s.number = b.total
	}
	if e.Name != "" {
		if b.works == nil {
			b.works = map[string]*buildWork{}
		}
		if b.works[e.Name] == nil { // else two stages begin with one directory
			b.works[e.Name] = &buildWork{}
		}
		s.work = b.works[e.Name]
	}
	b.list = append(b.list, s)
}

// write keeps what a command has written until it is its turn.
func (w *buildWork) write(p []byte) {
	if room := maxWaiting - len(w.output); len(p) > room {
		p = p[:max(room, 0)]
		if !w.clipped {
			p = fmt.Appendf(p[:len(p):len(p)], "\n[output clipped, log limit %dMiB reached]\n", maxWaiting>>20)
		}
		w.clipped = true
	}
	w.output = append(w.output, p...)
}

// tell says all whose turn it is.
func (b *buildSteps) tell() {
	for b.at < len(b.list) && b.step(b.list[b.at]) {
		b.at++
	}
}

// step says what there is to say of one, and whether that is all.
func (b *buildSteps) step(s *buildStep) bool {
	b.name(s)
	if s.work != nil {
		b.work(s)
		if !s.work.done {
			return false
		}
	}
	last := b.at == len(b.list)-1
	if last && b.image == "" {
		return false
	}
	switch {
	case last:
		s.id = b.image
	case s.work != nil:
		s.id = s.work.id
	case s.word == "FROM" && s.on > 0:
		s.id = b.list[s.on-1].id
	case s.word != "FROM" && s.on > 0:
		sum := sha256.Sum256([]byte(b.list[s.on-1].id + "\n" + s.text))
		s.id = hex.EncodeToString(sum[:])
	}
	switch {
	case s.on == 0 && s.word == "ARG": // before the first FROM
	case !last && b.list[b.at+1].number == 0: // the triggers come first
	default:
		b.say(fmt.Sprintf(" ---> %.12s\n", s.id))
	}
	return true
}

// name begins to tell of a step.
func (b *buildSteps) name(s *buildStep) {
	if s.begun {
		return
	}
	s.begun = true
	if s.number > 0 {
		b.say(fmt.Sprintf("Step %d/%d : %s\n", s.number, b.total, s.text))
	}
	triggers := 0
	for _, t := range b.list[b.at+1:] {
		if s.word != "FROM" || t.number > 0 {
			break
		}
		triggers++
	}
	switch triggers {
	case 0:
	case 1:
		b.say("# Executing 1 build trigger\n")
	default:
		b.say(fmt.Sprintf("# Executing %d build triggers\n", triggers))
	}
}

// work says how far the work of a step is. Files were copied without a container.
func (b *buildSteps) work(s *buildStep) {
	w := s.work
	if w.began != "" && !s.running {
		s.running = true
		if s.contained() {
			b.say(fmt.Sprintf(" ---> Running in %.12s\n", w.began))
		}
	}
	if len(w.output) > 0 {
		b.say(string(w.output))
		w.output, w.clipped = nil, false
	}
	if !w.done || s.over {
		return
	}
	s.over = true
	switch {
	case w.cached && s.word != "FROM":
		b.say(" ---> Using cache\n")
	case s.running && s.contained():
		b.say(fmt.Sprintf(" ---> Removed intermediate container %.12s\n", w.began))
	}
}

func (s *buildStep) contained() bool { return s.word == "RUN" || s.word == "WORKDIR" }

// end says the rest of a build that has made an image.
func (b *buildSteps) end(image string) {
	b.image = image
	b.tell()
}

// fail says the rest of a build that has failed: what the step has printed that did,
// if it was not its turn.
func (b *buildSteps) fail() {
	for i, s := range b.list {
		if i > b.at && s.work != nil && s.work.failed {
			b.at = i
			b.name(s)
			b.work(s)
			return
		}
	}
}
