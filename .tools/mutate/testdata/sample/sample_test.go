package sample

import "testing"

func TestKept(t *testing.T) {
	for n, want := range map[int]bool{0: false, 1: true, 3: true, 4: false} {
		if Kept(n) != want {
			t.Error(n)
		}
	}
}

func TestLoose(t *testing.T) {
	if !Loose(5) || Loose(50) {
		t.Error()
	}
}

func TestEndless(t *testing.T) {
	if Endless(3) != 3 {
		t.Error()
	}
}

func TestOrder(t *testing.T) {
	if Order([2]int{1, 9}, [2]int{2, 0}) != -1 || Order([2]int{1, 1}, [2]int{1, 1}) != 0 {
		t.Error()
	}
}

func TestFirst(t *testing.T) {
	if First([]int{1, 4, 6}) != 4 || First(nil) != 0 {
		t.Error()
	}
}
