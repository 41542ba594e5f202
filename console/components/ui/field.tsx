import { useId, type ComponentProps, type ReactNode } from "react";
import { cn } from "@/lib/cn";

const control =
  "w-full rounded-lg border border-line bg-ground px-3 text-ink placeholder:text-quiet aria-invalid:border-bad";

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string;
  /** Shows the label to screen readers only. */
  hideLabel?: boolean;
  className?: string;
  /** Renders the control with these attributes. */
  children: (attributes: ControlAttributes) => ReactNode;
}

interface ControlAttributes {
  id: string;
  "aria-invalid"?: true;
  "aria-describedby"?: string;
}

/** A control with its label, hint and error. */
export function Field({ label, hint, error, hideLabel, className, children }: FieldProps) {
  const id = useId();
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean);
  const attributes = {
    id,
    ...(error !== undefined && { "aria-invalid": true as const }),
    ...(described.length > 0 && { "aria-describedby": described.join(" ") }),
  };
  return (
    <div className={cn("grid gap-1.5", className)}>
      <label htmlFor={id} className={hideLabel ? "sr-only" : "text-sm font-medium"}>
        {label}
      </label>
      {children(attributes)}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-sm text-quiet">
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} className="text-sm text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

type Labeled = Omit<FieldProps, "children">;

export function TextField({ label, hint, error, hideLabel, className, ...props }: Labeled & ComponentProps<"input">) {
  return (
    <Field {...{ label, hint, error, hideLabel, className }}>
      {(attributes) => <input type="text" className={cn(control, "h-10")} {...attributes} {...props} />}
    </Field>
  );
}

export function TextArea({ label, hint, error, hideLabel, className, ...props }: Labeled & ComponentProps<"textarea">) {
  return (
    <Field {...{ label, hint, error, hideLabel, className }}>
      {(attributes) => <textarea rows={4} className={cn(control, "py-2")} {...attributes} {...props} />}
    </Field>
  );
}

interface SelectProps extends Labeled, Omit<ComponentProps<"select">, "className"> {
  options: readonly { value: string; label: string }[];
}

export function SelectField({ label, hint, error, hideLabel, className, options, ...props }: SelectProps) {
  return (
    <Field {...{ label, hint, error, hideLabel, className }}>
      {(attributes) => (
        <select className={cn(control, "h-10")} {...attributes} {...props}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckboxProps extends Omit<ComponentProps<"input">, "type"> {
  label: ReactNode;
  hint?: ReactNode;
}

export function Checkbox({ label, hint, className, ...props }: CheckboxProps) {
  const id = useId();
  return (
    <div className={cn("flex items-start gap-2.5", className)}>
      <input
        id={id}
        type="checkbox"
        className="mt-1 size-4 accent-accent"
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        {...props}
      />
      <div className="min-w-0">
        <label htmlFor={id} className="text-sm">
          {label}
        </label>
        {hint !== undefined && (
          <p id={`${id}-hint`} className="text-sm text-quiet">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
