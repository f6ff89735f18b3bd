"""The Hub as tracegen publishes to it: with the unmodified `huggingface_hub` client, patiently, one commit at a time.

`push` makes a repository hold given files in one commit, or leaves it alone; `remote` is what stands there now;
`patience` waits and asks again; `changes` says which rows come and go. The server is HF_ENDPOINT, or huggingface.co;
the token comes from the client's own places (HF_TOKEN, `hf auth login`) and from nowhere else.
"""
