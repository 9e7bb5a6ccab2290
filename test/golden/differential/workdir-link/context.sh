echo case > case.txt
