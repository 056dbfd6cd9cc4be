// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"slices"
	"strings"
	"time"

	"coracle/pkg/compose/convert"
	"coracle/pkg/events"
)

// Happened is what happened to a container of a service.
type Happened struct {
	Time       time.Time
	Service    string
	ID         string // of the container
	Action     string
	Attributes map[string]string // but compose's own
}

// Events reads what happened to the containers of a project, those of some services
// where any is named, and calls each for it; what happens to those of run is left out.
func Events(ctx context.Context, e *Engine, project string, services []string, o events.Options, each func(Happened) error) error {
	return events.Read(ctx, e.Dirs.Root, o, func(ev events.Event) error {
		a := ev.Actor.Attributes
		service := a[convert.LabelService]
		if ev.Type != "container" || a[convert.LabelProject] != project || a[convert.LabelOneoff] == "True" || len(services) > 0 && !slices.Contains(services, service) {
			return nil
		}
		h := Happened{Time: time.Unix(0, ev.TimeNano), Service: service, ID: ev.Actor.ID, Action: ev.Action, Attributes: map[string]string{}}
		for k, v := range a {
			if !strings.HasPrefix(k, "com.docker.compose.") {
				h.Attributes[k] = v
			}
		}
		return each(h)
	})
}
