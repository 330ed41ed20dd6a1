"""What makes a number believable, held against everything that broke it once.

A test's name carries the letter of its chapter and a number: ``a`` which engine a row stands for, ``b`` exit statuses
and bad input, ``c`` what is measured, ``d`` what is kept, ``e`` the machine around it, ``f`` small things.
"""
