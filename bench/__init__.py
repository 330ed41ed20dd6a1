"""microgpt-bench: what each way of writing a scalar autograd engine costs, with proof that the losses agree."""
