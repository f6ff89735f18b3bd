"""The training half, and the only home of torch and trl: a corpus becomes token ids, and they a student."""
