// SPDX-License-Identifier: Apache-2.0

// Package trash deletes what was put aside to be deleted ([state.TmpDir]):
// containers and volumes that are gone for every other command, whose files may
// belong to ids that only a worker, inside the user namespace, acts for.
package trash
