package failpoint

import "testing"

func TestPoints_exitsAtTheNthPass(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string][]int{
		"":               nil,
		"after_read":     {1},
		"after_read:3":   {3},
		"after_read:x":   {1},
		"after_commit:2": nil,
	} {
		var exits []int
		p := FromEnv(func(string) string { return setting })
		pass := 0
		if p != nil {
			p.exit = func(code int) {
				if code != 137 {
					t.Errorf("exit code %d", code)
				}
				exits = append(exits, pass)
			}
		}
		for pass = 1; pass <= 5; pass++ {
			p.Pass("after_read")
		}
		if len(exits) != len(want) || (len(want) > 0 && exits[0] != want[0]) {
			t.Errorf("%q: exits at %v, want %v", setting, exits, want)
		}
	}
}
